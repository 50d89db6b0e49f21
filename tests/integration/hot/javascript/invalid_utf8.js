console.log("ÿ".length);
