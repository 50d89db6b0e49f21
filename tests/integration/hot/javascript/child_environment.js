const { execFileSync } = require("child_process");
console.log(execFileSync("/usr/bin/env", { encoding: "utf8" }));
console.log(execFileSync("sh", ["-c", "pwd; umask; ulimit -a"], { encoding: "utf8" }));
