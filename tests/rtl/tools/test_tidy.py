"""Tidying of RTLIL text."""

from bcsim.rtl.tools.tidy import drop_unread, name_next_states, name_pieces, order_ports, shift_powers

BODY = """\

  wire width 4 input 0  \\a

  wire width 4 output 1  \\b

  wire width 4 \\alias

  attribute \\x "y"
  wire width 4 signed \\unused

  wire width 1 $1

  cell $eq $2
    parameter \\A_WIDTH 4
    connect \\A \\a [3:0]
    connect \\Y $1
  end

connect \\alias \\unused [3:0]
connect \\unused \\a [3:0]
connect \\b \\a [3:0]

"""


def test_unread_wires_go_with_all_that_drives_them() -> None:
    left = drop_unread(BODY)
    assert "alias" not in left
    assert "unused" not in left
    assert "attribute" not in left
    assert "cell" not in left


def test_what_drives_a_port_stays() -> None:
    assert "connect \\b \\a [3:0]" in drop_unread(BODY)
    assert "wire width 4 output 1  \\b" in drop_unread(BODY)


def test_ports_are_numbered_clock_first_then_as_given_then_by_name() -> None:
    body = "".join(
        f"  wire width 1 input {index}  \\{name}\n"
        for index, name in enumerate(["z", "b", "rst", "a", "clk"])
    )
    ordered = order_ports(body, ["a", "b"])
    numbers = {line.split("\\")[1]: int(line.split()[4]) for line in ordered.splitlines()}
    assert sorted(numbers, key=numbers.__getitem__) == ["clk", "rst", "a", "b", "z"]
    assert min(numbers.values()) == 1


FLIP_FLOP = """\
  cell $dff $7
    parameter \\WIDTH 8
    parameter \\CLK_POLARITY 1
    connect \\D $6 [7:0]
    connect \\CLK \\clk [0]
    connect \\Q \\count
  end
"""


def test_a_registers_next_value_is_called_after_it() -> None:
    body = "  wire width 8 $6\n" + FLIP_FLOP
    assert name_next_states(body).count("\\count_next") == 2
    assert "$6" not in name_next_states(body)


def test_a_name_that_is_taken_is_not_given_again() -> None:
    body = "  wire width 8 $6\n  wire width 8 \\count_next\n" + FLIP_FLOP
    assert name_next_states(body) == body


def test_pieces_of_a_member_are_numbered_from_the_least_significant_up() -> None:
    body = (
        "  wire width 4 input 0  \\port$7$0\n  wire width 4 input 1  \\port$3$0\n"
        "connect \\data { \\port$7$0 [3:0] \\port$3$0 [3:0] }\n"
    )
    assert name_pieces(body, ["data"]) == {"\\port$3$0": "\\data_0", "\\port$7$0": "\\data_1"}


def test_pieces_of_an_output_are_found_by_what_drives_them() -> None:
    body = (
        "connect \\data { $2 [3:0] $12 [3:0] }\nconnect \\port$1$0 $12 [3:0]\nconnect \\port$2$0 $2 [3:0]\n"
    )
    assert name_pieces(body, ["data"]) == {"\\port$1$0": "\\data_0", "\\port$2$0": "\\data_1"}


def test_a_piece_does_not_take_a_name_that_is_taken() -> None:
    body = "  wire width 1 \\data_0\nconnect \\data { \\port$7$0 [3:0] }\n"
    assert name_pieces(body, ["data"]) == {}


def test_a_port_that_members_share_has_their_names_from_the_least_significant_up() -> None:
    wire = "  wire width 14 output 3  \\port$2414$4\n"
    parts = "connect \\place \\current [17:5]\nconnect \\search \\current [4]\n"
    driven = "connect \\port$2414$4 \\current [17:4]\n"
    members = ["search", "place"]
    assert name_pieces(wire + parts + driven, members) == {"\\port$2414$4": "\\search_place"}
    cell = "    connect \\search_place $68 [13:0]\n"
    assert name_pieces(wire + cell + parts + driven, members) == {"\\port$2414$4": "\\search_place"}
    used = parts.replace("\\current [17:5]", "\\port$2414$4 [13:1]").replace(
        "\\current [4]", "\\port$2414$4 [0]"
    )
    assert name_pieces(wire.replace("output", "input") + used, members) == {"\\port$2414$4": "\\search_place"}


def test_a_piece_that_a_signal_drives_is_numbered_like_the_others() -> None:
    body = (
        "connect \\step { \\ends [6] $4 [1:0] }\nconnect \\port$9$6 \\ends [6]\nconnect \\port$4$0 $4 [1:0]\n"
    )
    assert name_pieces(body, ["step"]) == {"\\port$4$0": "\\step_0", "\\port$9$6": "\\step_1"}


def product(constant: str) -> str:
    return (
        "  cell $mul $2\n    parameter \\B_WIDTH 4\n    connect \\A \\index [2:0]\n"
        f"    connect \\B {constant}\n    connect \\Y $1\n  end\n"
    )


def test_a_multiplication_by_a_power_of_two_is_a_shift() -> None:
    for constant, places in (("4'0001", "4'0000"), ("4'0100", "4'0010"), ("4'1000", "4'0011")):
        assert shift_powers(product(constant)) == product(places).replace("$mul", "$shl")


def test_other_multiplications_stay_what_they_are() -> None:
    for constant in ("4'0000", "4'0101", "\\other [3:0]"):
        assert shift_powers(product(constant)) == product(constant)
