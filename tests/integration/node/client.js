// A whole session through the protos alone: create, watch, write, complete, and one error.
//
//     node client.js TARGET PROTOS GOOGLE_PROTOS
//
// Prints one JSON document with what it was answered.
"use strict";

const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");
const protobuf = require("protobufjs");

const [target, protos, googleProtos] = process.argv.slice(2);
const { sojourn } = grpc.loadPackageDefinition(
  loader.loadSync("sojourn/v1/session_service.proto", {
    includeDirs: [protos],
    enums: String,
    keepCase: true,
    longs: Number,
    defaults: true,
    oneofs: true,
  }),
);
const client = new sojourn.v1.SessionService(target, grpc.credentials.createInsecure());

const call = (method, request) =>
  new Promise((resolve, reject) => {
    const deadline = new Date(Date.now() + 10_000);
    client[method](request, { deadline }, (error, response) => (error ? reject(error) : resolve(response)));
  });

const value = (plain) => ({ json: Buffer.from(JSON.stringify(plain)) });
const plain = (values) =>
  Object.fromEntries(Object.entries(values).map(([key, { json }]) => [key, JSON.parse(json.toString())]));

// Resolves with the stream's events when the server ends it; `live` is called at the first message, which tells
// that the watch is on.
const watch = (request, live) =>
  new Promise((resolve, reject) => {
    const events = [];
    const stream = client.WatchSession(request, { deadline: new Date(Date.now() + 30_000) });
    stream.on("data", (message) => {
      live();
      events.push(...message.events);
    });
    stream.on("error", reject);
    stream.on("end", () => resolve(events));
  });

// The google.rpc.ErrorInfo of a failed call.
const errorInfo = (error) => {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, path) => (path.startsWith("google/rpc/") ? `${googleProtos}/${path}` : path);
  root.loadSync(["google/rpc/status.proto", "google/rpc/error_details.proto"]);
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  const { details } = root.lookupType("google.rpc.Status").decode(bytes);
  const detail = details.find(({ type_url, typeUrl }) => (type_url ?? typeUrl).endsWith("/google.rpc.ErrorInfo"));
  return root.lookupType("google.rpc.ErrorInfo").decode(detail.value).toJSON();
};

const main = async () => {
  const { session } = await call("CreateSession", {
    kind: "node",
    purpose: "show that the protos suffice",
    state: { step: value(1) },
  });

  let events;
  await new Promise((live, failed) => {
    events = watch({ session_id: session.id, after: { revision: 0 }, until_ended: true }, live);
    events.catch(failed);
  });

  const write = await call("WriteSession", {
    session_id: session.id,
    changes: [
      { state_set: { values: { step: value(2), nested: value({ list: [1, "zwei", null] }) } } },
      { message_appended: { role: "MESSAGE_ROLE_USER", content: "Grüße aus Node" } },
    ],
    precondition: { expected_revision: session.revision },
    idempotency_key: "node-1",
  });
  await call("CompleteSession", { session_id: session.id });

  const read = await call("GetSession", { session_id: session.id });
  const refused = await call("GetSession", { session_id: "no-such-session" }).catch((error) => error);

  return {
    id: session.id,
    write: { revision: write.revision, durability: write.durability },
    read: { status: read.session.status, revision: read.session.revision, state: plain(read.session.state) },
    events: (await events).map(({ revision, changes }) => ({ revision, kinds: changes.map(({ kind }) => kind) })),
    message: (await events)[1].changes[1].message_appended.content,
    refused: { code: refused.code, info: errorInfo(refused) },
  };
};

main()
  .then((answers) => console.log(JSON.stringify(answers)))
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  })
  .finally(() => client.close());
