lambda { |stdout,stderr,status|
  output = stdout + stderr
  case output
  when /Assertion|FAILED/, /^not ok/ then :red
  when /OK|passed|^ok/ then :green
  else :amber
  end
}
