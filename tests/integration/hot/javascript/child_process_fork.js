const { fork } = require("child_process");
if (process.argv[2] === "child") {
  process.send({ argv: process.argv.slice(1), execArgv: process.execArgv, connected: process.connected });
  process.disconnect();
} else {
  const child = fork(__filename, ["child"]);
  child.on("message", (m) => console.log(m));
  child.on("exit", (code, signal) => console.log(code, signal));
}
