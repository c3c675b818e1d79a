# cmake -DFILE=in -DOUT=out -P embed.cmake: the octets of a file as numbers, to be included between braces.
file(READ ${FILE} octets HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," octets "${octets}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" octets "${octets}")
file(WRITE ${OUT} "${octets}\n")
