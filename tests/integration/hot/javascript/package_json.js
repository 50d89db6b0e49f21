const fs = require("fs");
fs.mkdirSync("node_modules/dep", { recursive: true });
fs.writeFileSync("node_modules/dep/package.json", '{"main": "lib.js"}');
fs.writeFileSync("node_modules/dep/lib.js", "module.exports = __filename");
console.log(require("dep"));
