const os = require("os");
console.log(os.tmpdir(), os.homedir(), os.userInfo().username, os.hostname(), os.endianness(), os.getPriority());
