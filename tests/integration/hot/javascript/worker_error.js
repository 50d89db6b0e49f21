const { Worker } = require("worker_threads");
new Worker("throw new RangeError('w')", { eval: true }).on("error", (e) => console.log(e.name, e.stack));
