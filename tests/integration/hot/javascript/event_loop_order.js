setTimeout(() => console.log("timeout"), 0);
setImmediate(() => console.log("immediate"));
process.nextTick(() => console.log("tick"));
Promise.resolve().then(() => console.log("promise"));
queueMicrotask(() => console.log("microtask"));
process.on("beforeExit", () => console.log("before exit"));
process.on("exit", (code) => console.log("exit", code));
console.log("main");
