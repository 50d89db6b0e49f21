const fs = require("fs");
const w = fs.watch(".", (event, name) => { console.log(event, name); w.close(); });
setTimeout(() => fs.writeFileSync("new", ""), 50);
