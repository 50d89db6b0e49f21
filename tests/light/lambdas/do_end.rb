# colours by status alone
lambda do |stdout, stderr, status|
  case
  when status == 0 then return :green
  when (stdout + stderr).match?(/assert|fail/i) then return :red
  else :amber
  end
end
