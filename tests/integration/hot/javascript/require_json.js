require("fs").writeFileSync("a.json", '{"b": [1]}');
console.log(require("./a"));
