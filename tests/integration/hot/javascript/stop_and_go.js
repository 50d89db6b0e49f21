const { spawn } = require("child_process");
spawn("sh", ["-c", "sleep 0.3; kill -CONT $PPID"]);
process.on("SIGCONT", () => console.log("went on"));
process.kill(process.pid, "SIGSTOP");
