lambda { |stdout,stderr,status|
  output = stdout + stderr
  if /SyntaxError|syntax error/.match(output)
    :amber
  elsif /^FAIL|Assertion/.match(output)
    :red
  elsif status == 0
    :green
  else
    :amber
  end
}
