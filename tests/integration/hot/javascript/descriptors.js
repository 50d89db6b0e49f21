const fs = require("fs");
const found = {};
for (const fd of fs.readdirSync("/proc/self/fd")) {
  try {
    found[fd] = fs.readlinkSync("/proc/self/fd/" + fd).replace(/:.*/, "") + " " + fs.readFileSync("/proc/self/fdinfo/" + fd, "utf8").match(/flags:\s*(\d+)/)[1];
  } catch (error) {
    found[fd] = error.code;
  }
}
console.log(found);
