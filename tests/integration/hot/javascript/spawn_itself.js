const { spawnSync } = require("child_process");
if (process.argv.length === 2) {
  const r = spawnSync(process.execPath, [__filename, "again"], { encoding: "utf8" });
  console.log(r.status, r.stdout, r.stderr);
  console.log(spawnSync(process.execPath, ["-p", "process.argv.length + __filename"], { encoding: "utf8" }).stdout);
} else console.log(process.argv);
