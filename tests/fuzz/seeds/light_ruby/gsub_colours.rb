lambda { |stdout,stderr,status|
  output = stdout + stderr
  plain = output.gsub(/\e\[[\d;]*m/, '')
  return :red if plain =~ /^(FAILED|not ok|✗)/
  return :green if plain =~ /\d+ (tests?|passed|examples?)/
  return :amber
}
