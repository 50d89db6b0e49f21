import("./beside.mjs").then((m) => console.log(m.name, Object.keys(m)));
import("node:os").then((m) => console.log(typeof m.cpus));
import("./missing.mjs").catch((error) => console.log(error.code, error.message));
