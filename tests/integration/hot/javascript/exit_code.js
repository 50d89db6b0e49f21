process.exitCode = 5;
console.log("goes on");
