const { Worker, isMainThread, parentPort, workerData, threadId } = require("worker_threads");
if (isMainThread) {
  const w = new Worker(__filename, { workerData: { n: 2 }, argv: ["w"] });
  w.on("message", (m) => console.log(m, threadId));
  w.on("exit", (code) => console.log("exit", code));
} else parentPort.postMessage([workerData, process.argv, require.main === module, __filename]);
