->(stdout, stderr, status) {
  return :green if status.zero?
  (stdout + stderr)[/fail/i] ? :red : :amber
}
