console.log(nowhere);
