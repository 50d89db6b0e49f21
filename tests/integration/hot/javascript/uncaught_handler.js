process.on("uncaughtException", (error, origin) => {
  console.log(error.message, origin);
  process.exitCode = 8;
});
throw new Error("handled");
