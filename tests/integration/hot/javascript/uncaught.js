function f() {
  throw new TypeError("bad");
}
f();
