lambda { |stdout,stderr,status|
  output = stdout + stderr
  words = output.strip.split("\n").last.to_s.split
  return :green if words.include?("OK") || words.include?("passed")
  return :red if words.any? { |w| w =~ /\AFAIL/ }
  return :amber
}
