const beside = require("./beside");
console.log(beside.name, beside.paths, require("./beside.js") === beside, module.children.map((c) => c.id));
require("fs").writeFileSync("late.js", "module.exports = __filename");
console.log(require("./late"));
