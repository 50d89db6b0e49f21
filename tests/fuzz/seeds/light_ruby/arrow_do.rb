-> stdout, _stderr, status do
  next :green if status == 0
  stdout.empty? ? :amber : :red
end
