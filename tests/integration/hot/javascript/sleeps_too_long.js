console.log("waits");
setTimeout(() => {}, 100000);
