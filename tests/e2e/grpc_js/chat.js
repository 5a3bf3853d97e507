// Chats with a Paddock server by its .proto files: node chat.js ADDRESS PROTOS TEXT
"use strict";

const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, protos, text] = process.argv.slice(2);
const options = { keepCase: false, enums: String, longs: Number, defaults: true, oneofs: true, includeDirs: [protos] };
const { paddock } = grpc.loadPackageDefinition(loader.loadSync("paddock/v1/inference.proto", options));
const client = new paddock.v1.InferenceService(address, grpc.credentials.createInsecure());
const chat = { messages: [{ role: "ROLE_USER", content: [{ text }] }] };
const deadline = () => ({ deadline: Date.now() + 30_000 });

function stream(request) {
  return new Promise((resolve, reject) => {
    const told = { text: "", kinds: [], deltas: 0 };
    const call = client.GenerateStream(request, deadline());
    call.on("data", ({ events }) => {
      for (const event of events) {
        told.kinds.push(event.event);
        if (event.tokenDelta) {
          told.text += event.tokenDelta.text;
          told.deltas += 1;
        }
        if (event.finished) told.reason = event.finished.reason;
      }
    });
    call.on("error", reject);
    call.on("end", () => resolve(told));
  });
}

function unary(request) {
  return new Promise((resolve) => {
    client.Generate(request, deadline(), (error, answer) => resolve({ error, answer }));
  });
}

async function main() {
  const stop = { strings: [text], ignoreEos: true, includeInOutput: true };
  const request = { model: "simulator", chat, stop, maxTokens: 200 };
  const told = await stream(request);
  const { answer } = await unary(request);
  const { error } = await unary({ ...request, model: "absent" });
  told.unary = answer.outputs[0].text;
  told.code = error.code;
  told.reasonOfError = grpc.status[error.code];
  console.log(JSON.stringify(told));
  client.close();
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
