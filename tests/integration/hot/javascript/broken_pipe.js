const child = require("child_process").spawn("true");
child.stdin.on("error", (e) => console.log(e.code));
child.on("exit", () => child.stdin.write("x".repeat(1e6)));
