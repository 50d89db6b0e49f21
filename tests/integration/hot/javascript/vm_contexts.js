const vm = require("vm");
console.log(vm.runInNewContext("1 + a", { a: 2 }), vm.runInThisContext("typeof require"));
