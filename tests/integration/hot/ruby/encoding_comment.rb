# encoding: iso-8859-1
puts __ENCODING__, "ä".encode("UTF-8")
