await_me = new Promise(() => {});
await_me.then(() => console.log("never"));
console.log("end");
