json = { "a" => nil }
puts json["a"]["b"]["c"]
