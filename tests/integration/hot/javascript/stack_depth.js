let n = 0;
function f() {
  n++;
  f();
}
try {
  f();
} catch (error) {
  console.log(error.constructor.name, error.message, n > 5000);
}
