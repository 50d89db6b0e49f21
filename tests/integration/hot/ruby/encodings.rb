p __ENCODING__, Encoding.default_external, Encoding.default_internal, Encoding.find("locale"), Encoding.find("filesystem")
p [STDIN, STDOUT, STDERR].map { |io| [io.external_encoding, io.internal_encoding] }, "ü".bytes, ENV["LANG"].encoding, $0.encoding, ARGV.frozen?
