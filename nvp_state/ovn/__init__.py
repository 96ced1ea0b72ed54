"""The northbound database of OVN, read: a network that somebody runs, as entities of ours.

    told = import_northbound("/var/run/ovn/ovnnb_db.sock", tenant="acme", hosts=[Host(…)])
    told.entities                          # dump_document(told.entities) is the network document
    told.unsupported                       # each thing that is left out: table, row, column, text

What is there and has no like in ours, down to a single option of a port, is named; nothing is left
out in silence. Nothing is written to the database.

    northbound    rows of a running server, or of its file
    conversion    rows to entities
"""

from nvp_state.ovn.conversion import Imported, Unsupported, import_northbound

__all__ = ["Imported", "Unsupported", "import_northbound"]
