Promise.reject(new Error("nobody cares"));
setTimeout(() => console.log("never"), 1000);
