console.log(`a
b`.length);
