srand(7)
p rand, rand(10), [1, 2, 3, 4].shuffle, [1, 2, 3].sample, Random.new(3).bytes(3), Random.rand.class, "a".hash == "a".hash, Random.seed.class
