// `node deliver.mjs REDIS_PORT`: reads requests [{url, body, headers}] as JSON from its input, and has BullMQ deliver
// them: a job each, 64 at a time, tried again as the bridge does. It prints the seconds from the first job that is
// taken from the queue to the last whose outcome is recorded.
import { Queue, Worker } from "bullmq";
import { text } from "node:stream/consumers";

const NAME = "deliveries";
const connection = { host: "127.0.0.1", port: Number(process.argv[2]) };
const requests = JSON.parse(await text(process.stdin));

const queue = new Queue(NAME, {
  connection,
  defaultJobOptions: { attempts: 10, backoff: { type: "exponential", delay: 10_000 }, removeOnComplete: 1_000 },
});
const worker = new Worker(
  NAME,
  async ({ data }) => {
    const answer = await fetch(data.url, { method: "POST", body: data.body, headers: data.headers });
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return { status: answer.status, runId: answer.headers.get("x-ms-workflow-run-id") };
  },
  { connection, concurrency: 64, autorun: false },
);
for (let at = 0; at < requests.length; at += 1_000) {
  await queue.addBulk(requests.slice(at, at + 1_000).map((data) => ({ name: "deliver", data })));
}
let done = 0;
const finished = new Promise((resolve, reject) => {
  worker.on("completed", () => ++done === requests.length && resolve());
  worker.on("failed", (_, error) => reject(error));
});
const begun = performance.now();
worker.run();
await finished;
console.log(`took ${(performance.now() - begun) / 1_000}`);
await worker.close();
await queue.obliterate({ force: true });
await queue.close();
