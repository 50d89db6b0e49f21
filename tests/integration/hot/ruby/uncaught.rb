class Broken < StandardError; end
def inner = raise(Broken, "first line\nsecond line")
begin
  inner
rescue => error
  raise KeyError.new("wrapped", receiver: {}, key: 1)
end
