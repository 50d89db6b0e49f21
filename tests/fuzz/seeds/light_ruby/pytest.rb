lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber if /=== ERRORS ===/.match(output)
  %w(
    Name
    Type
    Syntax
  ).each do |prefix|
    return :amber if
      /=== FAILURES ===/.match(output) &&
        Regexp.new(".*:[0-9]+: #{prefix}Error").match(output)
  end
  return :green if /=== (\d+) passed/.match(output)
  return :red
}
