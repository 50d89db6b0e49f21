const cluster = require("cluster");
console.log(cluster.isPrimary, cluster.isWorker);
if (cluster.isPrimary) cluster.fork().on("exit", (code) => console.log("worker", code));
else process.exit(4);
