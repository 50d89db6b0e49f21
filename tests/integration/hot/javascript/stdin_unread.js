process.stdin.on("readable", () => {});
setTimeout(() => process.exit(0), 50);
console.log("begun", process.stdin.constructor.name, process.stdout.constructor.name, process.stderr.constructor.name);
