"""The network workloads in the words of other languages: clingo's, SQL's, pyDatalog's.

Where a language has no minimum in a recursion, components are found from all pairs. pyDatalog
does not end on every recursion, so a recursive rule has its own table first.
"""

_CLINGO_FLOWS = """
host_ls(H, S) :- vif(P, H), lport(P, S, _).
tunnel(A, B) :- needs(A, S), host_ls(B, S), A != B.
l2flow(H, S, M, P) :- needs(H, S), lport(P, S, M), vif(P, H).
l2remote(H, S, M, G) :- needs(H, S), lport(P, S, M), vif(P, G), H != G.
drop_flow(H, S) :- needs(H, S), not allowed(S).
"""
_CLINGO_NEEDS = "needs(H, T) :- host_ls(H, S), conn(S, T).\n"
_CLINGO_DIRECT = """
conn(S, S) :- ls(S).
conn(S, T) :- rport(R, S), rport(R, T).
"""
_CLINGO_CLOSURE = """
conn(S, S) :- ls(S).
conn(S, T) :- conn(S, U), rport(R, U), rport(R, T).
"""
_CLINGO_COMPONENTS = """
comp(S, C) :- ls(S), C = #min { T : conn(S, T) }.
host_comp(H, C) :- host_ls(H, S), comp(S, C).
needs(H, T) :- host_comp(H, C), comp(T, C).
"""

_SQL_HOST_LS = """
CREATE TABLE host_ls AS SELECT DISTINCT vif.h, lport.s FROM vif JOIN lport USING (p);
"""
_SQL_FLOWS = """
CREATE TABLE tunnel AS SELECT DISTINCT needs.h AS a, host_ls.h AS b
  FROM needs JOIN host_ls USING (s) WHERE needs.h <> host_ls.h;
CREATE TABLE l2flow AS SELECT DISTINCT needs.h, needs.s, lport.mac, lport.p
  FROM needs JOIN lport USING (s) JOIN vif ON vif.p = lport.p AND vif.h = needs.h;
CREATE TABLE l2remote AS SELECT DISTINCT needs.h, needs.s, lport.mac, vif.h AS g
  FROM needs JOIN lport USING (s) JOIN vif ON vif.p = lport.p AND vif.h <> needs.h;
CREATE TABLE drop_flow AS SELECT h, s FROM needs ANTI JOIN allowed USING (s);
"""
_SQL_NEEDS = """
CREATE TABLE needs AS SELECT DISTINCT host_ls.h, conn.t AS s FROM host_ls JOIN conn USING (s);
"""
_SQL_DIRECT = """
CREATE TABLE conn AS SELECT s, s AS t FROM ls
  UNION SELECT one.s, other.s FROM rport AS one JOIN rport AS other USING (r);
"""
_SQL_CLOSURE = """
CREATE TABLE conn AS WITH RECURSIVE reached(s, t) AS (
  SELECT s, s FROM ls
  UNION SELECT reached.s, other.s
  FROM reached JOIN rport AS one ON one.s = reached.t JOIN rport AS other ON other.r = one.r
) SELECT s, t FROM reached;
"""
_SQL_COMPONENTS = """
CREATE TABLE comp AS SELECT s, min(t) AS c FROM conn GROUP BY s;
CREATE TABLE host_comp AS SELECT DISTINCT h, c FROM host_ls JOIN comp USING (s);
CREATE TABLE needs AS SELECT h, comp.s FROM host_comp JOIN comp USING (c);
"""

_PYDATALOG_FLOWS = """
host_ls(H, S) <= vif(P, H) & lport(P, S, M)
tunnel(A, B) <= needs(A, S) & host_ls(B, S) & (A != B)
l2flow(H, S, M, P) <= needs(H, S) & lport(P, S, M) & vif(P, H)
l2remote(H, S, M, G) <= needs(H, S) & lport(P, S, M) & vif(P, G) & (H != G)
drop_flow(H, S) <= needs(H, S) & ~(allowed(S))
"""
_PYDATALOG_NEEDS = "needs(H, T) <= host_ls(H, S) & conn(S, T)\n"
_PYDATALOG_DIRECT = """
conn(S, T) <= ls(S) & (T == S)
conn(S, T) <= rport(R, S) & rport(R, T)
"""
_PYDATALOG_CLOSURE = """
conn(S, T) <= conn(S, U) & rport(R, U) & rport(R, T)
conn(S, T) <= ls(S) & (T == S)
"""
_PYDATALOG_COMPONENTS = """
(least[S] == min_(T, order_by=T)) <= conn(S, T)
comp(S, C) <= (least[S] == C)
host_comp(H, C) <= host_ls(H, S) & comp(S, C)
needs(H, T) <= host_comp(H, C) & comp(T, C)
"""

WORDS = {
    "nvp": {
        "clingo": _CLINGO_DIRECT + _CLINGO_NEEDS + _CLINGO_FLOWS,
        "sql": _SQL_HOST_LS + _SQL_DIRECT + _SQL_NEEDS + _SQL_FLOWS,
        "pydatalog": _PYDATALOG_DIRECT + _PYDATALOG_NEEDS + _PYDATALOG_FLOWS,
    },
    "nvp-routers": {
        "clingo": _CLINGO_CLOSURE + _CLINGO_NEEDS + _CLINGO_FLOWS,
        "sql": _SQL_HOST_LS + _SQL_CLOSURE + _SQL_NEEDS + _SQL_FLOWS,
        "pydatalog": _PYDATALOG_CLOSURE + _PYDATALOG_NEEDS + _PYDATALOG_FLOWS,
    },
    "nvp-components": {
        "clingo": _CLINGO_CLOSURE + _CLINGO_COMPONENTS + _CLINGO_FLOWS,
        "sql": _SQL_HOST_LS + _SQL_CLOSURE + _SQL_COMPONENTS + _SQL_FLOWS,
        "pydatalog": _PYDATALOG_CLOSURE + _PYDATALOG_COMPONENTS + _PYDATALOG_FLOWS,
    },
}
