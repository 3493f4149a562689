"""The order of a workflow's nodes, and what is wrong with a definition."""

import asyncio
import functools

import pytest

from sojourn.errors import InvalidFieldError
from sojourn.qa import (
    CycleError,
    DuplicateNameError,
    QAContext,
    QASettings,
    Registry,
    UnknownNodeError,
    UnknownTestError,
    Workflow,
    WorkflowError,
    qa_test,
    setup,
    step,
)
from sojourn.qa.execution import execute


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def workflow():
    """Makes a workflow of nodes, given by what each comes after."""

    def make(nodes, **options):
        test = Workflow("test", register=False, **options)
        for name, after in nodes.items():
            test.add(lambda context: None, name=name, after=after)
        return test

    return make


async def executed(test, *, passed=(), failing=(), max_concurrent=None):
    """What happened, in order: nodes that ran, and `name!` for those that were skipped."""
    happened = []

    async def run(node):
        happened.append(node.name)
        await asyncio.sleep(0)
        return node.name not in failing

    async def skip(node, reason):
        happened.append(f"{node.name}!")

    await execute(test.order(), passed, run, skip, max_concurrent=max_concurrent)
    return happened


DIAMOND = {"open": [], "left": ["open"], "right": ["open"], "close": ["left", "right"]}


class TestOrder:
    def test_a_node_follows_what_it_comes_after(self, workflow):
        test = workflow({"c": ["b"], "b": ["a"], "a": []})
        assert [node.name for node in test.order()] == ["a", "b", "c"]

    async def test_each_node_runs_once_and_after_what_it_depends_on(self, workflow):
        assert await executed(workflow(DIAMOND)) == ["open", "left", "right", "close"]

    async def test_what_comes_after_a_failed_node_is_skipped_and_the_rest_goes_on(self, workflow):
        test = workflow(DIAMOND | {"after": ["close"], "aside": ["right"]})
        assert set(await executed(test, failing=["left"])) == {"open", "left", "right", "aside", "close!", "after!"}

    async def test_what_passed_before_is_not_run(self, workflow):
        assert await executed(workflow(DIAMOND), passed=["open", "left"]) == ["right", "close"]
        assert await executed(workflow(DIAMOND), passed=["open", "left", "right", "close"]) == []

    async def test_nodes_that_are_ready_run_together(self, workflow):
        together = asyncio.Barrier(3)

        async def run(node):
            async with asyncio.timeout(30):
                await together.wait()
            return True

        await execute(workflow({"a": [], "b": [], "c": []}).order(), (), run, run)

    async def test_no_more_run_together_than_allowed(self, workflow):
        running, most = 0, 0

        async def run(node):
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            return True

        await execute(workflow({str(n): [] for n in range(9)}).order(), (), run, run, max_concurrent=2)
        assert most == 2

    async def test_what_cannot_be_recorded_ends_everything(self, workflow):
        async def run(node):
            if node.name == "left":
                raise ConnectionError("away")
            await asyncio.sleep(0 if node.name == "open" else 3600)
            return True

        with pytest.raises(ConnectionError, match="away"):
            await execute(workflow(DIAMOND).order(), (), run, run)

    def test_dependents_are_all_that_come_after(self, workflow):
        assert workflow(DIAMOND).dependents(["left"]) == {"left", "close"}
        assert workflow(DIAMOND).dependents([]) == set()


class TestDefinitions:
    def test_nodes_are_named_by_functions_or_names(self):
        test = Workflow("test", register=False)

        @test.step
        def first(context): ...

        @test.step(after=first)
        async def second(context): ...

        @test.step(name="last", after=[first, "second"], retries=2, timeout=1, always=True)
        async def third(context): ...

        assert {name: node.after for name, node in test.nodes.items()} == {
            "first": (),
            "second": ("first",),
            "last": ("first", "second"),
        }
        last = test.nodes["last"]
        assert (last.retries, last.timeout, last.always, last.function) == (2, 1.0, True, third)

    def test_steps_make_their_workflow_in_any_order(self, registry):
        add = functools.partial(step, test="login", registry=registry)
        add(after=["open"], name="sign_in")(lambda context: 1)
        add(name="open")(lambda context: 2)
        setup(test="login", registry=registry)(lambda context: None)
        test = registry.get("login")
        assert [node.name for node in test.order()] == ["open", "sign_in"]
        assert len(test.setups) == 1

    def test_a_function_is_a_test_of_one_node(self, registry):
        @qa_test("checkout", registry=registry, tags=["shop"])
        async def whatever(context): ...

        @qa_test(registry=registry)
        def named_so(context): ...

        assert registry.names == ("checkout", "named_so")
        assert [node.function for node in registry.get("checkout").order()] == [whatever]
        assert registry.get("checkout").tags == ("shop",)

    async def test_a_step_is_just_a_function_outside_of_runs(self):
        @step
        async def double(context, number):
            return number * 2

        @step(name="other")
        def half(context, number):
            return number / 2

        context = QAContext("test")
        assert (await double(context, 4), half(context, 4), await double(None, number=1)) == (8, 2, 2)
        assert double.__name__ == "double"

    def test_a_module_that_is_loaded_again_defines_its_tests_again(self, registry):
        def load():
            test = Workflow("test", registry=registry)
            test.setup(setup_it := (lambda context: None))
            test.add(setup_it, name="node")

            @qa_test("function", registry=registry)
            def function(context): ...

            @step(test="steps", registry=registry)
            def one(context): ...

            return test, function, one

        load()
        test, function, one = load()
        assert registry.get("test") is test
        assert registry.get("function").nodes["function"].function is function
        assert registry.get("steps").nodes["one"].function is one


class TestMistakes:
    def test_a_cycle(self, workflow):
        with pytest.raises(CycleError, match="wait for each other") as caught:
            workflow({"a": ["b"], "b": ["c"], "c": ["a"], "d": []}).order()
        first, *others, last = caught.value.cycle
        assert first == last
        assert "".join((first, *others)) in ("abc", "bca", "cab"), "each waits for the next"
        assert (caught.value.test, caught.value.expected) == ("test", "nodes of which none comes after itself")

    def test_a_node_after_itself(self, workflow):
        with pytest.raises(CycleError):
            workflow({"a": ["a"]}).order()

    def test_an_unknown_name(self, workflow):
        with pytest.raises(UnknownNodeError, match="'b' of test 'test' comes after 'opne', which is none") as caught:
            workflow({"open": [], "b": ["opne"]}).order()
        assert (caught.value.name, caught.value.node, caught.value.expected) == ("opne", "b", "one of 'open', 'b'")

    def test_a_function_that_is_no_node(self, workflow):
        with pytest.raises(UnknownNodeError, match="no node of it so far"):
            workflow({}).add(lambda context: None, name="a", after=[print])

    def test_a_name_that_is_taken(self, workflow, registry):
        with pytest.raises(DuplicateNameError, match="has a node 'a' already"):
            workflow({"a": []}).add(print, name="a")
        Workflow("test", registry=registry)
        with pytest.raises(DuplicateNameError, match="a test 'test' is registered already") as caught:
            Workflow("test", registry=registry)
        assert (caught.value.name, caught.value.expected) == ("test", "a name for each test")

    def test_steps_of_a_test_that_is_a_function(self, registry):
        qa_test("test", registry=registry)(lambda context: None)
        with pytest.raises(DuplicateNameError, match="'test' is a function") as caught:
            step(test="test", registry=registry)(lambda context: None)
        assert "@step without `test`" in caught.value.expected

    def test_an_unknown_test(self, registry):
        Workflow("login", registry=registry)
        with pytest.raises(UnknownTestError, match="did you mean 'login'") as caught:
            registry.get("logn")
        assert caught.value.known == ("login",)
        with pytest.raises(UnknownTestError, match="import the module"):
            registry.get("quite another")

    @pytest.mark.parametrize(
        ("define", "problem"),
        [
            (lambda: Workflow("", register=False), "'' is no name of a test"),
            (lambda: Workflow("a\nb", register=False), "is no name of a test"),
            (lambda: Workflow("x" * 201, register=False), "is no name of a test"),
            (lambda: step(name="\t")(print), "is no name of a step"),
            (lambda: Workflow("a", register=False, threads=0), "threads of test 'a' is 0"),
            (lambda: Workflow("a", register=False, max_concurrent=0), "max_concurrent of test 'a' is 0"),
            (lambda: Workflow("a", register=False).order(), "has no nodes"),
            (lambda: Workflow("a", register=False).add(None), "is no function"),
            (lambda: Workflow("a", register=False).add(functools.partial(print)), "'' is no name of a node"),
            (lambda: Workflow("a", register=False).add(print, retries=-1), "retries of node 'print' are -1"),
            (lambda: Workflow("a", register=False).add(print, timeout=1), "cannot be stopped"),
        ],
    )
    def test_what_else_is_wrong(self, define, problem):
        with pytest.raises(WorkflowError, match=problem) as caught:
            define()
        assert caught.value.expected


class TestSettings:
    def test_without_variables(self):
        settings = QASettings.from_environment({})
        assert (str(settings.results_dir), str(settings.memory_dir)) == ("results", "memory")
        assert settings.max_active_sessions == 10

    @pytest.mark.parametrize("value", ["-1", "many", "1.5", "²"])
    def test_a_number_that_is_none(self, value):
        with pytest.raises(InvalidFieldError) as caught:
            QASettings.from_environment({"QA_MAX_ACTIVE_SESSIONS": value})
        assert caught.value.field == "QA_MAX_ACTIVE_SESSIONS"
