p Gem::VERSION, Gem.loaded_specs.keys.sort, Gem.path, Gem.user_dir, Gem.ruby, defined?(DidYouMean).inspect, defined?(ErrorHighlight).inspect, defined?(Monitor).inspect
puts $LOAD_PATH, $LOADED_FEATURES
