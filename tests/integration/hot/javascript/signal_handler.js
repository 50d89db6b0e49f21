process.on("SIGUSR2", (name, number) => {
  console.log(name, number);
  process.exit(0);
});
process.kill(process.pid, "SIGUSR2");
setTimeout(() => {}, 1000);
