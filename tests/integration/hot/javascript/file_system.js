const fs = require("fs");
console.log(fs.readdirSync(".").sort(), fs.statSync("main.js").size > 0, fs.realpathSync(__filename), fs.readFileSync("data/table.txt", "utf8"));
fs.promises.readFile(__filename, "utf8").then((t) => console.log(t.length));
fs.writeFileSync("made.txt", "made");
fs.mkdirSync("dir");
fs.writeFileSync("dir/deep.txt", "deep");
fs.unlinkSync("data/table.txt");
