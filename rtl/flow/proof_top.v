// A board's design and its flash, for the proof.
module proof_top (
    input clk,
    input rx,
    output tx
);
  wire select, clock, speaks;
  wire [3:0] data, lines;

  top board (
      .clk(clk),
      .rx(rx),
      .tx(tx),
      .flash_select(select),
@clock_port@
      .flash_line_0(lines[0]),
      .flash_line_1(lines[1]),
      .flash_line_2(lines[2]),
      .flash_line_3(lines[3])
  );
  flash_model #(
      .BEGIN(@begin@),
      .BYTES(@bytes@)
  ) flash (
      .select(select),
      .clock(clock),
      .command(lines[0]),
      .speaks(speaks),
      .data(data)
  );
@clock_assignment@
  assign lines = speaks ? data : 4'bzzzz;
endmodule
