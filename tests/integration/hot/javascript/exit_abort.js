console.log("so far");
process.abort();
