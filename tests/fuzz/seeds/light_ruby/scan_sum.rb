lambda { |stdout,stderr,status|
  output = stdout + stderr
  failed = output.scan(/(\d+) fail/i).flatten.map(&:to_i).sum
  passed = output.scan(/(\d+) pass/i).map { |m| m.first.to_i }.inject(0) { |a, b| a + b }
  return :red if failed > 0
  return passed > 0 ? :green : :amber
}
